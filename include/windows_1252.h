#ifndef WINDOWS_1252_H
#define WINDOWS_1252_H
/* What the bytes of windows-1252 mean, which is what "latin1" means on the web: for
 * charsets and for references like &#150;. */
#include <stdint.h>

/* The code point of byte `b`; the five holes in 0x80..0x9F stay C1 controls, as browsers
 * have it. */
uint32_t windows_1252(unsigned char b);
#endif
