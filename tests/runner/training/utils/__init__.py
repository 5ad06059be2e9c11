"""What recipes' configurations are made of."""

from dataclasses import dataclass


@dataclass
class TrainerConfig:
    """The trainer that it attaches to, and the shape of that."""

    job_id: str
    training_shape_id: str
