// AWS gives long lists in pages.

interface Page<Row> {
  list: Row[] | undefined;
  next: string | undefined;
}

/** All pages of a list. */
export async function pages<Row>(ask: (next: string | undefined) => Promise<Page<Row>>): Promise<Row[]> {
  const found: Row[] = [];
  let next: string | undefined;
  do {
    const page = await ask(next);
    found.push(...(page.list ?? []));
    next = page.next || undefined;
  } while (next);
  return found;
}
