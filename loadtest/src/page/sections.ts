// Sections of a hand-written page that are generated: each between `<!-- name -->` and `<!-- /name -->`. Pure.

/** The text with each section replaced. @throws Error when the page has no such section */
export function replaceSections(text: string, sections: Readonly<Record<string, string>>): string {
  return Object.entries(sections).reduce((page, [name, body]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [page.indexOf(begin), page.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page has no section ${begin} … ${end}`);
    return `${page.slice(0, from + begin.length)}\n\n${body.trim()}\n\n${page.slice(to)}`;
  }, text);
}
