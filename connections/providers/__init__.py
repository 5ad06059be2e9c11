"""Where launches run. A provider knows neither Django nor the models: frozen values go in and come out."""
