"""The rules of the trade: what is free, what it costs, who is paid, what state a thing is in. It does not know that a model, a messenger or a web page exists."""
