"""Start and stop, settings, clock, logs, telemetry: what makes a process of the rooms below. Nothing here decides or stores."""
