from standing import Standing

from shoal.runtime.config import AgentConfig
from shoal.runtime.run import run

run(Standing, AgentConfig)
