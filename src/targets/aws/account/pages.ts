/** The rows of all pages in which AWS gives a long list. */
export async function rowsOf<Page, Row>(pages: AsyncIterable<Page>, rows: (page: Page) => readonly Row[] | undefined): Promise<Row[]> {
  const collected: Row[] = [];
  for await (const page of pages) collected.push(...(rows(page) ?? []));
  return collected;
}
