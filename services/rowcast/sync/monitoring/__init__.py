"""What an instance knows of its own work: `GET /facts` and Prometheus."""
