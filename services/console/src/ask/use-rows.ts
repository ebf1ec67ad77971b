import { useEffect, useState, useSyncExternalStore } from 'react';
import { RowSource, type Snapshot } from '../rows/row-source.js';

const NOTHING = {
  subscribe: () => () => undefined,
  snapshot: () => undefined,
};

/** The rows of a query, for as long as the component is there. */
export function useRows(queryId: string): { readonly source: RowSource; readonly rows: Snapshot } | undefined {
  const [source, setSource] = useState<RowSource>();
  useEffect(() => {
    const made = new RowSource(queryId);
    setSource(made);
    return () => {
      made.close();
      setSource(undefined);
    };
  }, [queryId]);
  const rows = useSyncExternalStore<Snapshot | undefined>(
    source?.subscribe ?? NOTHING.subscribe,
    source?.snapshot ?? NOTHING.snapshot,
  );
  return source === undefined || rows === undefined ? undefined : { source, rows };
}
