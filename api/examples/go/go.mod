module lossd.example/cross_entropy

go 1.19
