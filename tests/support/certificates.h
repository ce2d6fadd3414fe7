/* Certificates and their keys in PEM files, made while the test runs. What fails fails the test. */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

#include <stdbool.h>

/* Paths of two files. */
struct certificate {
	char certificate[400], key[400];
};

enum certificate_use { FOR_AUTHORITIES, FOR_SERVERS, FOR_CLIENTS };

struct certificate_wish {
	const char *folder, *name;        /* of the files, without ".pem" and ".key" */
	enum certificate_use use;         /* servers are localhost and 127.0.0.1 */
	const struct certificate *issuer; /* NULL: it signs itself */
	long from, to; /* its validity, in seconds from now; both 0: an hour in both directions */
};

void certificate_make(const struct certificate_wish *wish, struct certificate *certificate);

/* Puts a file in another one's place, as a rotation does: at once. */
void certificate_replace(const char *from, const char *to);

#endif
