import { AppError, parseSelector, usesHealth } from '@muster/protocol';

/** Refuses a selector that is kept and would have to be known at any time. @throws AppError `bad_selector`. */
export function checkSteady(selector: string): void {
  const parsed = parseSelector(selector);
  if (parsed.ok && usesHealth(parsed.selector))
    throw new AppError('bad_selector', 'body.selector: health changes by itself, and cannot bound anything for long', {
      details: { offset: 0 },
    });
}
