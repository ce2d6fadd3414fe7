/* Certificates and their keys in PEM files, made while the test runs. What fails fails the test. */
#ifndef TESTS_CERTIFICATES_H
#define TESTS_CERTIFICATES_H

#include "pem.h"

/* As pem_make and pem_replace. */
void certificate_make(const struct certificate_wish *wish, struct certificate *certificate);
void certificate_replace(const char *from, const char *to);

#endif
