import type { ReactNode } from 'react';
import styles from './settings.module.css';

/** A table of a few rows. A head that begins with `#` is for screen readers alone. */
export function Table({ heads, children }: { heads: readonly string[]; children: ReactNode }) {
  return (
    <table className={styles['table']}>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {head.startsWith('#') ? <span className="vh">{head.slice(1)}</span> : head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}
