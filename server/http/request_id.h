/* Ids for requests that bring none: unique across restarts and replicas, cheap, and saying nothing.
 */
#ifndef LOSSD_REQUEST_ID_H
#define LOSSD_REQUEST_ID_H

#include <stddef.h>

#define REQUEST_ID_SIZE 33

/* Once, before threads start. */
void request_id_start(void);
/* Writes 32 hexadecimal digits, terminated. Any thread. */
void request_id_make(char out[REQUEST_ID_SIZE]);

#endif
