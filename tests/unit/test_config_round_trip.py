"""A study written as JSON is read back as the same study."""

from bertft_core.config import StudyConfig


def test_a_study_written_as_json_is_read_back_as_the_same_study():
    study = StudyConfig.model_validate(
        {
            "name": "trip",
            "data": {"source": "bundled", "name": "reviews"},
            "training": {"epochs": None, "max_steps": 10},
            "arms": {
                "features": {"strategies": [{"kind": "feature_extraction"}]},
                "full": {"learning_rate": 3e-5, "max_grad_norm": None, "strategies": [{"kind": "early_stopping", "patience": 2}]},
            },
        }
    )
    again = StudyConfig.model_validate_json(study.model_dump_json())
    assert again == study
    assert again.digest == study.digest
    assert again.training_of("full") == study.training_of("full")
    assert again.training_of("full").max_grad_norm is None
