// XML as AWS's services write it, and as their clients send it.
import sax from "sax";
import { ServiceError } from "./service-error.ts";

export type XmlValue = string | number | boolean | undefined | XmlValue[] | { [name: string]: XmlValue };

/** A document with one root; a list stands for as many elements, what is undefined for none, and "@" for attributes. */
export const toXml = (root: string, value: XmlValue, namespace?: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace ? ` xmlns="${namespace}"` : ""}>${content(value)}</${root}>`;

function content(value: XmlValue): string {
  if (value === undefined) return "";
  if (typeof value !== "object") return escapeText(String(value));
  return Object.entries(value)
    .map(([name, child]) => element(name, child))
    .join("");
}

function element(name: string, value: XmlValue): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.map((one) => element(name, one)).join("");
  const { "@": attributes, ...rest } = typeof value === "object" ? value : {};
  return `<${name}${attributes === undefined ? "" : ` ${attributes}`}>${content(typeof value === "object" ? rest : value)}</${name}>`;
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
/** Control characters, which XML cannot hold, go as references, as S3 sends them. */
const escapeText = (text: string): string =>
  text.replace(/[&<>"\x00-\x08\x0b-\x1f]/g, (character) => ESCAPES[character] ?? `&#x${character.charCodeAt(0).toString(16)};`);

/** An element of what a client sent. */
export class Element {
  readonly #children: [name: string, element: Element][] = [];
  content = "";

  add(name: string, element: Element): void {
    this.#children.push([name, element]);
  }

  all(name: string): Element[] {
    return this.#children.filter(([other]) => other === name).map(([, element]) => element);
  }

  /** The text of the first child of that name. */
  text(name: string): string | undefined {
    return this.all(name)[0]?.content;
  }
}

/** The root, which must have that name. Throws MalformedXML. */
export function parseXml(text: string, root: string): Element {
  const reader = sax.parser(true);
  const document = new Element();
  const open = [document];
  reader.onopentag = ({ name }) => {
    const element = new Element();
    open.at(-1)?.add(name.replace(/^.*:/, ""), element);
    open.push(element);
  };
  reader.onclosetag = () => void open.pop();
  reader.ontext = reader.oncdata = (part) => {
    const element = open.at(-1);
    if (element) element.content += part;
  };
  reader.onerror = (error) => {
    throw error;
  };
  try {
    reader.write(text).close();
  } catch {
    return malformed();
  }
  return document.all(root)[0] ?? malformed();
}

export function malformed(): never {
  throw new ServiceError("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.", 400);
}
