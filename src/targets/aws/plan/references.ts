// The references in a template's value.

export interface Reference {
  /** A resource or a parameter of the same template. */
  id: string;
  /** For `Fn::GetAtt`. */
  attribute?: string;
}

/** Every `Ref`, `Fn::GetAtt` and `${…}` of `Fn::Sub` in a value, however deep. */
export function referencesIn(value: unknown): Reference[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  return Object.entries(value).flatMap(([key, inner]): Reference[] => {
    if (key === "Ref" && typeof inner === "string") return [{ id: inner }];
    if (key === "Fn::GetAtt" && Array.isArray(inner)) return [{ id: String(inner[0]), attribute: String(inner[1]) }];
    if (key === "Fn::Sub") return [...referencesInText(Array.isArray(inner) ? inner[0] : inner), ...referencesIn(inner)];
    return referencesIn(inner);
  });
}

const referencesInText = (text: unknown): Reference[] =>
  [...String(text).matchAll(/\$\{([A-Za-z0-9]+)(?:\.([A-Za-z0-9.]+))?\}/g)].map(([, id = "", attribute]) => ({
    id,
    ...(attribute === undefined ? {} : { attribute }),
  }));
