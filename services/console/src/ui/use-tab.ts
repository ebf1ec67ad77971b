import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, type RefObject } from 'react';

/**
 * The tab of a page, which its address has as `tab`: a colleague who opens the address sees the same, and back and
 * forward go through the tabs. The first one has no name there. `page` holds the tabs.
 */
export function useTab(ids: readonly string[]): {
  readonly tab: string;
  readonly choose: (id: string) => void;
  readonly page: RefObject<HTMLDivElement | null>;
} {
  const navigate = useNavigate();
  const { tab: asked } = useSearch({ strict: false }) as { readonly tab?: unknown };
  const [first = ''] = ids;
  const tab = ids.find((id) => id === asked) ?? first;
  // On a phone the last tabs are beyond the edge. They are there in the frame after the first one.
  const page = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const frame = requestAnimationFrame(() =>
      page.current?.querySelector('[role=tab][aria-selected=true]')?.scrollIntoView({ block: 'nearest' }),
    );
    return () => cancelAnimationFrame(frame);
  }, [tab]);
  const choose = (id: string): void => {
    if (id !== tab) void navigate({ to: '.', search: (id === first ? {} : { tab: id }) as never });
  };
  return { tab, choose, page };
}
