/* The shop window's wires: what is typed or pressed here becomes the first line of the chat. */
await customElements.whenDefined('traveloure-chat');
const chat = () => document.querySelector('traveloure-chat');

document.querySelector('#tell').addEventListener('submit', (event) => {
  event.preventDefault();
  const { say } = event.target.elements;
  const text = say.value.trim();
  if (!text) chat().open();
  else chat().send(text);
  say.value = '';
});
for (const node of document.querySelectorAll('[data-say]')) node.addEventListener('click', () => chat().send(node.dataset.say));
for (const node of document.querySelectorAll('[data-open-chat]')) node.addEventListener('click', () => chat().open());
