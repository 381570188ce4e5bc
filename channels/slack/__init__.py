"""The Slack door: parse, render and forms are pure, deliver speaks to the Web API, app brings events in over Socket Mode or HTTP."""
