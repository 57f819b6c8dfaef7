from standing import Standing

from shoal.runtime.config import MonitorConfig
from shoal.runtime.run import run

run(Standing, MonitorConfig)
