from shoal.runtime.config import GatewayConfig
from shoal.runtime.run import run  # First: see there.
from shoal_gateway.wire import wire

if __name__ == "__main__":
    run(wire, GatewayConfig, endpoints=False)
