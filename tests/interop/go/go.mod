module lossd.example/interop

go 1.19
