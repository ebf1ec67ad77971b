import { useNavigate } from '@tanstack/react-router';
import { useEffect, useEffectEvent } from 'react';
import { PAGES } from './pages.js';

/** After `g` the next key must come within this time. */
const SEQUENCE_MS = 1_200;

/** The keys of the whole console: Ctrl-K, `?`, `/`, and `g` with the letter of a page. */
export function useKeys({ onPalette, onHelp }: { onPalette: () => void; onHelp: () => void }): void {
  const navigate = useNavigate();
  const handle = useEffectEvent((event: KeyboardEvent, wasG: boolean): void => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      onPalette();
      return;
    }
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = wasG ? PAGES.find(({ key }) => key === event.key) : undefined;
    if (page !== undefined) void navigate({ to: page.path });
    else if (event.key === '?') onHelp();
    else if (event.key === '/') focusSearch(event);
  });
  useEffect(() => {
    let gAt = -Infinity;
    const onKey = (event: KeyboardEvent): void => {
      const wasG = event.timeStamp - gAt < SEQUENCE_MS;
      gAt = event.key === 'g' && !isTyping(event) ? event.timeStamp : -Infinity;
      handle(event, wasG);
    };
    globalThis.addEventListener('keydown', onKey);
    return () => globalThis.removeEventListener('keydown', onKey);
  }, []);
}

function isTyping({ target }: KeyboardEvent): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable="true"]') !== null;
}

function focusSearch(event: KeyboardEvent): void {
  const box = document.querySelector<HTMLElement>('main [data-slash], main [role=combobox]');
  if (box === null) return;
  event.preventDefault();
  box.focus();
}
