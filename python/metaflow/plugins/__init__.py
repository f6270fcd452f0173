"""`metaflow.plugins`: lists of what is built in, made when they are asked for."""

from __future__ import annotations

from typing import Any, List

#: Backends of deployments; none yet.
DEPLOYER_IMPL_PROVIDERS: List[Any] = []


def __getattr__(name: str) -> Any:
    value: Any
    if name == "STEP_DECORATORS":
        from headrace.decorators.registry import all_step_decorators

        value = all_step_decorators()
    elif name == "FLOW_DECORATORS":
        from headrace.decorators.registry import all_flow_decorators

        value = all_flow_decorators()
    elif name == "CARDS":
        from headrace.cards.resolver import all_card_types

        value = all_card_types()
    elif name == "SECRETS_PROVIDERS":
        from headrace.decorators.secrets import InlineSecretsProvider

        value = [InlineSecretsProvider]
    elif name == "InternalTestUnboundedForeachInput":
        from headrace.decorators.unbounded_test import InternalTestUnboundedForeachInput as value
    elif name.isupper():
        from headrace.plugin_lists import plugin_list

        try:
            value = plugin_list(name)
        except KeyError:
            raise AttributeError("module 'metaflow.plugins' has no attribute '%s'" % name) from None
    else:
        raise AttributeError("module 'metaflow.plugins' has no attribute '%s'" % name)
    globals()[name] = value
    return value
