import { memo } from 'react';
import { visiblePieces } from '../text/visible.js';
import styles from './visible-text.module.css';

/** Text from endpoints or other people: escaped where it would hide or reorder, cut where it is very long. */
export const VisibleText = memo(function VisibleText({ text, max = 400 }: { text: string; max?: number }) {
  const shown = text.length > max ? text.slice(0, max) : text;
  const more = text.length - shown.length;
  return (
    <bdi>
      {visiblePieces(shown).map((piece, at) =>
        piece.escaped ? (
          <span key={at} className={styles['escape']}>
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
      {more > 0 && <span className={styles['more']}> … {more.toLocaleString('en-US')} more characters</span>}
    </bdi>
  );
});
