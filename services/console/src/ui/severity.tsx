import styles from './severity.module.css';

/** How severe a check or a vulnerability is, in a word; the worst ones stand out. */
export function Severity({ severity }: { severity: string }) {
  return (
    <span className={styles['severity']} data-severity={severity}>
      {severity}
    </span>
  );
}
