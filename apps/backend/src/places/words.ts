/** Letters that do not fall apart into a base letter and a mark, as people without that key type them. */
const LETTERS: Readonly<Record<string, string>> = {
  ß: 'ss',
  ø: 'o',
  æ: 'ae',
  œ: 'oe',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ı: 'i',
  þ: 'th',
};

/** The words of a name or a query in lower case without accents: "São Paulo" is `['sao', 'paulo']`. */
export function toWords(text: string): string[] {
  // Most names are plain, and folding all of them is what takes longest when the index is made.
  if (/^[a-z ]*$/i.test(text)) return text.toLowerCase().split(' ').filter(isFilled);
  return text
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[ßøæœđðłıþ]/g, (letter) => LETTERS[letter] ?? letter)
    .replace(/['’ʻ`]/g, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter(isFilled);
}

function isFilled(word: string): boolean {
  return word !== '';
}
