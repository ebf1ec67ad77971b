import { z } from 'zod';
import { parseSelector, type Selector } from './selector.js';

/** A selector in a document: its text and the parsed selector. */
export const selectorSchema = z.string().transform((text, context): { text: string; selector: Selector } => {
  const parsed = parseSelector(text);
  if (parsed.ok) return { text, selector: parsed.selector };
  context.addIssue({ code: 'custom', message: `${parsed.message} (at character ${parsed.offset + 1})` });
  return z.NEVER;
});
