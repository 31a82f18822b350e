// What the page asks the server. A page that is exported has another module of this name, which computes the answers.

export async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body) });
  } catch {
    throw new Error("The explorer does not respond; is its command still running?");
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.error || `the explorer responded with status ${response.status}.`);
}

// What the run offers.
export async function askAbout() {
  const response = await fetch("/about");
  if (!response.ok) throw new Error(`The explorer responded with status ${response.status}; see its terminal.`);
  return response.json();
}

// The address of a small picture of a test image.
export const thumbnail = name => `/thumbnail/${name.split(":")[1]}.png`;
