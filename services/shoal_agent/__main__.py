from shoal.runtime.config import AgentConfig
from shoal.runtime.run import run  # First: see there.
from shoal_agent.wire import wire

if __name__ == "__main__":
    run(wire, AgentConfig)
