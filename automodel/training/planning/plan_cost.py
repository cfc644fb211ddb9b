"""PlanCost: what a fit costs in money, energy and CO2, from rates of the user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from sklearn.utils._param_validation import InvalidParameterError

from automodel.training.planning.ranges import Range

SECONDS_PER_HOUR = 3600
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class PlanCost:
    """What a fit costs, as `TrainingPlan.cost` returns it.

    Parameters
    ----------
    money : Range or None
        The price of the machine and of the energy, in the currency of the rates.
    energy : Range or None
        Energy in kWh.
    co2 : Range or None
        Grams of CO2.
    """

    money: Range | None = None
    energy: Range | None = None
    co2: Range | None = None

    def __str__(self) -> str:
        from automodel.reporting.plan_summary import cost_lines

        return "\n".join(cost_lines(self))


def cost_of(
    seconds: Range,
    *,
    per_hour: float | None = None,
    watts: float | None = None,
    per_kwh: float | None = None,
    grams_per_kwh: float | None = None,
) -> PlanCost:
    """Return what some seconds cost; see `TrainingPlan.cost`."""
    check_rates(per_hour, watts, per_kwh, grams_per_kwh)
    money = energy = co2 = None
    if per_hour is not None:
        money = seconds * (per_hour / SECONDS_PER_HOUR)
    if watts is not None:
        energy = seconds * (watts / JOULES_PER_KWH)
        if per_kwh is not None:
            of_energy = energy * per_kwh
            money = of_energy if money is None else money + of_energy
        if grams_per_kwh is not None:
            co2 = energy * grams_per_kwh
    return PlanCost(money, energy, co2)


def check_rates(
    per_hour: float | None = None,
    watts: float | None = None,
    per_kwh: float | None = None,
    grams_per_kwh: float | None = None,
) -> None:
    """Raise an error unless each rate is a finite number of at least 0, or None.

    Raises
    ------
    ValueError
        If a rate is negative, infinite or no number, or if a rate of energy is given
        without the watts.
    """
    rates = {"per_hour": per_hour, "watts": watts}
    rates |= {"per_kwh": per_kwh, "grams_per_kwh": grams_per_kwh}
    for name, rate in rates.items():
        if rate is None:
            continue
        is_number = isinstance(rate, Real) and not isinstance(rate, bool)
        if not is_number or not 0 <= rate < math.inf:
            raise InvalidParameterError(
                f"The {name!r} of `cost` must be a finite number of at least 0. Got "
                f"{rate!r} instead."
            )
    for name in ("per_kwh", "grams_per_kwh"):
        if rates[name] is not None and watts is None:
            raise InvalidParameterError(
                f"The {name!r} of `cost` needs 'watts', the power of the machine."
            )
