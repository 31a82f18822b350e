// Finding and making elements.

export const $ = (selector, within = document) => within.querySelector(selector);

// Makes an element; names with a dash, and `role`, are attributes, all others properties.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export const button = (text, properties, action) => {
  const made = element("button", { type: "button", textContent: text, ...properties });
  made.addEventListener("click", action);
  return made;
};

// Replaces the options of a select by [value, text] pairs, and keeps its value if it is still one of them.
export function setOptions(select, pairs) {
  const value = select.value;
  select.replaceChildren(...pairs.map(([each, text]) => new Option(text, each)));
  if (pairs.some(([each]) => each === value)) select.value = value;
}
