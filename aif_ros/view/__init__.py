"""The live page: the pipeline in a browser. Knows neither ROS nor the pipeline."""
