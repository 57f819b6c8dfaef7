from standing import Gateway

from shoal.runtime.config import GatewayConfig
from shoal.runtime.run import run

run(Gateway, GatewayConfig, endpoints=False)
