"""What tests share: builders of objects from few words, real servers, virtual time, a whole hub in one process."""
