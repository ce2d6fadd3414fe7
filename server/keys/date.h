/* Points in time as text: RFC 3339. Pure functions. */
#ifndef LOSSD_DATE_H
#define LOSSD_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* The last second of the year 9999: what can be written. */
#define DATE_LAST INT64_C(253402300799)

/* "2027-01-31T12:00:00Z", with "+02:00" or a fraction of a second (which is left out) too, as
 * seconds since 1970. False: the text is none. */
bool date_read(const char *text, int64_t *seconds);
#define DATE_SIZE 80
/* In UTC. The time is one that date_read can give. */
const char *date_write(int64_t seconds, char out[DATE_SIZE]);

#endif
