from shoal.runtime.config import RendererConfig
from shoal.runtime.run import run  # First: see there.
from shoal_override_renderer.wire import wire

if __name__ == "__main__":
    run(wire, RendererConfig)
