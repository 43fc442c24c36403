"""The way of a change as one page of facts: gathered side by side, judged by pure functions, none of them for ever."""
