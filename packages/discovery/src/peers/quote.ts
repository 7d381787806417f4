const MAX_CHARACTERS = 200;

/** The beginning of what somebody else wrote, as one line of ASCII: logs and terminals must not be steered by it. */
export function quoteStart(text: string): string {
  const start = JSON.stringify(text.slice(0, MAX_CHARACTERS));
  return start.replace(/[^\x20-\x7e]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
