"""What the search of a sweep has shown, from its study."""

from covseg.config.search import Search
from covseg.report.sweep.search import SearchResult, Trial
from covseg.run.folder.sweep_folder import SweepFolder


def search_result(sweep: SweepFolder) -> SearchResult | None:
    """The search whose trials are the jobs of a sweep; None where there is none."""
    jobs = [job for job in sweep.jobs() if job.search is not None]
    if not jobs:
        return None
    import optuna  # which only a search needs
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    from covseg.run.folder.study import load_study

    search = Search.model_validate(jobs[-1].search)
    study = load_study(sweep.path, search)
    done = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        point = {f"{key}={value}" for key, value in trial.params.items()}
        # two trials of one point are one job
        name = next((job.folder.name for job in jobs if point <= set(job.overrides)), "")
        done.append(Trial(trial.number, name, trial.values))
    best = {trial.number for trial in study.best_trials}
    importance: dict[str, list[float]] = {}
    for place in range(len(search.objectives)):
        try:
            shares = optuna.importance.get_param_importances(
                study,
                evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                target=lambda trial, place=place: trial.values[place],  # type: ignore[misc]
            )
        except (ValueError, RuntimeError):  # too few trials, or they are all alike
            importance = {}
            break
        for key in sorted(shares):
            importance.setdefault(key, []).append(shares[key])
    return SearchResult(
        search.objectives,
        [direction == StudyDirection.MINIMIZE for direction in study.directions],
        done,
        [trial for trial in done if trial.number in best],
        dict(sorted(importance.items(), key=lambda item: -item[1][0])),
    )
