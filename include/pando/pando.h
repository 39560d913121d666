/* pando.h - everything an application includes. */
#ifndef PANDO_H
#define PANDO_H

#include <pando/app.h>
#include <pando/base.h>
#include <pando/db.h>
#include <pando/fiber.h>
#include <pando/html.h>
#include <pando/web.h>

#endif
