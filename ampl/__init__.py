"""AMPL: a testbed for the theory and the algorithms of offline model-based reinforcement learning.

    import ampl
    problem = ampl.load_problem("hopper-medium-v2")
    runs = ampl.train("mopo", problem, settings={"penalty_weight": 2.5}, seeds=(0, 1, 2), epochs=50)
    score = ampl.evaluate(runs[0].path, episodes=100).metrics["evaluation/score_mean"]
    action = ampl.load_policy(runs[0].path).act(observation)

The same from the command line is `ampl train` and `ampl evaluate`. A mistake raises a class of `ampl.errors`, with one
clear line, which names options as the command line does: `--model-from` is the argument `model_from`.

This package is the hall between two wings. It holds what both share: the interfaces that a tabular and a deep component
implement alike, the driver that trains any algorithm, run directories, records and the command line. It imports neither
wing; they announce their commands, problems, algorithms and experiments through entry points.
"""

__version__ = "0.1.0"
__all__ = ["Problem", "evaluate", "load_policy", "load_problem", "train"]

TYPE_CHECKING = False  # typing's, which takes as long to import as all the rest
if TYPE_CHECKING:
    from ampl.api import Problem, evaluate, load_policy, load_problem, train
else:

    def __getattr__(name):
        """A public name, imported when it is first asked for: `import ampl` alone loads no numpy."""
        if name not in __all__:
            raise AttributeError(f"module 'ampl' has no attribute '{name}'")
        from importlib import import_module

        value = globals()[name] = getattr(import_module("ampl.api"), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
