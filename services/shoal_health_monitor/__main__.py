from shoal.runtime.config import MonitorConfig
from shoal.runtime.run import run  # First: see there.
from shoal_health_monitor.wire import wire

if __name__ == "__main__":
    run(wire, MonitorConfig)
