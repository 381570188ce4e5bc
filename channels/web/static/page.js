/* The chat on a page of its own; a sentence handed over in the address is said once. */
await customElements.whenDefined('traveloure-chat');
const chat = document.querySelector('traveloure-chat');
const say = chat.dataset.say;
if (say) {
  history.replaceState(null, '', location.pathname);
  chat.send(say);
}
