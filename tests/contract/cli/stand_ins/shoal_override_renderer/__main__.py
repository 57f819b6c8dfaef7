from standing import Standing

from shoal.runtime.config import RendererConfig
from shoal.runtime.run import run

run(Standing, RendererConfig)
