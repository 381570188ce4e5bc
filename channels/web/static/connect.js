// Shows the line that hands a link's token to Slack. The token is in the fragment: it is never sent to a server.
const token = new URLSearchParams(location.hash.slice(1)).get('start') ?? '';
if (/^l_[\w-]{20,60}$/.test(token)) document.getElementById('line').textContent = `/traveloure link ${token}`;
history.replaceState(null, '', location.pathname);
