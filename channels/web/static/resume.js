/* Hands the session of this page over to the chat of this browser, and goes there. */
const { token, conversation } = document.getElementById('resume').dataset;
localStorage.setItem(`traveloure:${location.origin}:demo`, JSON.stringify({ token, conversation }));
location.replace('/chat');
