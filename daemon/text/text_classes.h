#ifndef TEXT_CLASSES_H
#define TEXT_CLASSES_H
/* The layout of an entry of the folding table, shared by its generator and its reader. */

enum text_class {
    TEXT_SEP,        /* separates, and means nothing else */
    TEXT_SYM,        /* separates; counts in a quoted phrase */
    TEXT_STRIP,      /* letter or digit whose marks are removed */
    TEXT_OTHER,      /* letter, digit or spacing mark that keeps its marks */
    TEXT_RUN,        /* of a script without spaces: a token of its own */
    TEXT_MARK,       /* mark of no script or of a stripping one */
    TEXT_MARK_OTHER, /* mark of another script: a letter to it */
    TEXT_IGNORE,     /* not there */
};

enum {
    TEXT_CLASS_MASK = 7,
    TEXT_COMB = 8,   /* may reorder or compose with what is before it */
    TEXT_SEQ = 16,   /* the value is a place in text_seq, else a distance to the folded
                        character */
    TEXT_APART = 32, /* the sequence is a word of its own */
    TEXT_VALUE_SHIFT = 6,
    TEXT_VALUE_MASK = 0x1FFFFF,
    TEXT_BLOCK_BITS = 7,
};
#endif
