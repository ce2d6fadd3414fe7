/* Certificates and their keys in PEM files, for tests (certificates.h) and for benches. */
#ifndef TESTS_PEM_H
#define TESTS_PEM_H

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

/* Makes the two files. Below 0, as gnutls has it, where that failed. */
int pem_make(const struct certificate_wish *wish, struct certificate *certificate);
/* Puts a copy of a file in another one's place, as a rotation does: at once. Likewise. */
int pem_replace(const char *from, const char *to);

#endif
