from standing import Standing

from shoal.runtime.config import SchedulerConfig
from shoal.runtime.run import run

run(Standing, SchedulerConfig)
