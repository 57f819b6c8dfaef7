from shoal.runtime.config import SchedulerConfig
from shoal.runtime.run import run  # First: see there.
from shoal_scheduler.wire import wire

if __name__ == "__main__":
    run(wire, SchedulerConfig)
